"""partwise from Python: each command of the command line as one function of `partwise`.

recipes   load, change, check, inspect
runs      train, open, generate, evaluate, judge
looks     look
studies   study

A function that takes a recipe takes it in any form: the name of one that ships, a file, a dict, or what `load` and
`change` return. What is wrong is raised as a `PartwiseError`, with the same text as a command would show.
"""
