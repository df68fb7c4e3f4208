"""What people read. In come a Run, a Verdict, or what exploring found; out go lines of text. Nothing is decided here."""
