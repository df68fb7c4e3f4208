"""One scenario under many schedules. In comes a scenario; out goes a Report: which outcomes there are, and which orders always held."""
