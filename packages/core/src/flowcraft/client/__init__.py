"""What an application does with its runs: submit them, look at them, wake and end them.

definition   the application's blueprints and nodes
book         ... the blueprints, checked
settings     how its workers work, and who said so
choice       which adapter is used: command line, environment, application
connection   the adapter, made when it is first needed
submission   a run's id, its blueprints, and whether it was submitted before
handle       one run, as those outside of it see it
waiting      waiting for a run's end
many_runs    the results of many
events       what happened in a run, and happens
listing      runs by status and blueprint, page by page
explain      why a run is where it is
standing     where one activation of it stands
in_process   runs of this process, without a backend
sync         the door for scripts, whose methods block
"""
