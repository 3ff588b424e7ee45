"""What each node of a cluster has before a search, and where nodes differ. No Ray in here."""
