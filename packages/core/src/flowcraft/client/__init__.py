"""What an application does with its runs: submit them, look at them, wake and end them.

book         the application's blueprints, checked
choice       which adapter is used: command line, environment, application
connection   the adapter, made when it is first needed
submission   a run's id, its blueprints, and whether it was submitted before
handle       one run, as those outside of it see it
waiting      waiting for a run's end
explain      why a run is where it is
standing     where one activation of it stands
"""
