"""The pages for people: a console in which models are loaded, tried and dropped, and the list of all routes."""
