"""What station and central share: the MQTT connection, TLS, private files."""
