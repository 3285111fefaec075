"""The report of a run as one HTML page.

results   which results are shown, in which order
inputs    what the run rests on
headlines the numbers that it opens with
markdown  tables as they stand in files
scale     what it reduces against the study
page      the page itself: sections, tables, pictures
"""
