"""rsic_geo: smaller archives of remote-sensing scenes, given back better than their codec."""
