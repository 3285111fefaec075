"""The commands of ``smrestore``, one module with one function each.

The signature and docstring of the function are the command line and its help. Libraries are
imported when a command runs. Some of them take seconds, and ``--help`` must not wait for them.
"""
