"""What ``serve deploy`` runs: the query graph, the HTTP API and the canvas."""
