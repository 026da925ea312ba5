"""What the hostile tests share: a service to misbehave with, programs to misbehave against, raw frontends, the runner."""
