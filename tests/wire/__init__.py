"""Wire chaos: what a network, a proxy or a hostile server can do to bytes, done to a job with a ledger.

Two things stand between the engine and the real emulator: :mod:`tests.wire.bytewise` strikes at one byte of what
passes, whatever it means (also in the middle of TLS), and :mod:`tests.wire.between` answers in the emulator's place.
:mod:`tests.wire.job` runs a job through them and says what must be true afterwards.
"""
