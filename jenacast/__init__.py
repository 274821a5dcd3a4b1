"""Train and judge recurrent networks on the Jena temperature forecast."""

__version__ = "0.1.0"
