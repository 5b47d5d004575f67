"""The thin classes that Hydra instantiates; Hydra may import every module here, so none imports anything heavy."""
