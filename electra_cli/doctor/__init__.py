"""What a machine has for training, what it lacks, and what to type about it.

Probes look at one thing each and return checks. They are given what they look at, so that tests
can give them another machine, and TensorFlow runs in a process of its own (`trial`): whatever it
does there, the doctor answers.
"""
