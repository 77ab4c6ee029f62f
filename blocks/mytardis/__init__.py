"""The REST API of MyTardis 4, as the curation resource of that name speaks it."""
