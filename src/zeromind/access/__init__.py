"""Who may do what: keys and their scopes, which hosts and sites may ask, TLS, the audit log. No wire is known here."""
