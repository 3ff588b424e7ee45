"""Where the files of a search are: a folder that all nodes share, or any URI pyarrow writes to."""
