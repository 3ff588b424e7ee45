"""What is shipped beside the code: search spaces and mmdet configs, and copies for a user.

`files` finds the search spaces and configs, in a checkout and in an installed wheel; `project`
writes a folder of a user's own from one of them. Other packages may import these two.
"""
