"""Runs one scenario under many schedules. It takes a scenario, and returns a Report: which outcomes there are, and which orders
always held."""
