"""How a cluster comes up: one machine for the demo, several hosts, Kubernetes."""
