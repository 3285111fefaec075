"""The report of a run as one HTML page.

results   which results are shown, in which order
inputs    what the run rests on
scale     what it reduces against the study
page      the page itself: sections, tables, pictures
"""
