"""Many runs from one command: launcher, ledger, search. Knows Hydra."""
