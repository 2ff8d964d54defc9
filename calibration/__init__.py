"""How gradgauge itself is measured: how far its figures can be trusted. Each script answers one question."""
