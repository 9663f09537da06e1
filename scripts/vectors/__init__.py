"""The vectors that hold the viewer's logic in Python and in JavaScript together: what is asked, and what is answered.

`tests/vectors/*.json` has, for each subject, cases of steps: what is done, with what, and what that gives. They are
written from the Python classes; both languages play them.
"""
