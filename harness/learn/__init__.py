"""What goes on between a learner and the lab: exercises, predictions, questions, hints, and a watch over the files.

It takes a scenario, its runs and what the learner types, and returns texts. What it keeps for the learner is in the build folder.
Nothing here runs a program itself: the commands in cli/ do that, and pass on the result.
"""
