"""What ``ray job submit`` runs: a verb a file. Ray Train, Tune and Data live here."""
