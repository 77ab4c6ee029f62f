"""What stands behind a MyTardis of the tests: its rows, and its REST API over them."""
