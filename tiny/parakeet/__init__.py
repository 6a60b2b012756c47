"""parakeet-tiny: English commands and digit strings, a hybrid TDT-CTC transducer."""
