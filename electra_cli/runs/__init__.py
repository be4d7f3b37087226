"""Run folders: what lies where, and how a run goes on."""
