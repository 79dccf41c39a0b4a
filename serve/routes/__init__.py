"""The routes of the HTTP API, a subject a file; each module adds its own to an application."""
