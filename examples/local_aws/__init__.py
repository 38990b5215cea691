"""An AWS on loopback: functions run by Lambda's own runtime client, services by moto, all over real HTTP."""
