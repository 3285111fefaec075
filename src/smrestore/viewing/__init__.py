"""Calibration scans and restored system matrices as one HTML page for the browser.

packing      arrays as text inside a page
matrices     one file: its summary, what is known of every row, the images that are shown
selection    which components fit on the page
drift        background frames over the time of the scan
images       a phantom reconstructed with every file
gathering    all of these for the files of a page
page         the page itself: templates, styles and scripts
"""
