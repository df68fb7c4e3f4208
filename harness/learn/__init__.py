"""What goes on between a learner and the lab: exercises, predictions, questions, hints, and a watch over the files.

In come a scenario, its runs and what the learner types; out go texts and what is kept in the folder for builds. Nothing here runs a
program itself: the commands in cli/ do, and hand over what came of it.
"""
