"""What people read. It takes a Run, a Verdict, or what exploring found, and returns lines of text. Nothing is decided here."""
