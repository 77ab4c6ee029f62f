"""RO-Crate: ``ro-crate-metadata.json``, from which somebody who has nothing but a results folder understands and repeats a run.

Written as a Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5) on RO-Crate 1.1, of which these profiles are;
read again to check the files, and to run the same once more.
"""

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate"  # what a folder conforms to that is one of its own
