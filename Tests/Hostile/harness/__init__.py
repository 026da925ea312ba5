"""What the hostile tests share: a service that misbehaves, programs for it, raw frontends for xensockd."""
