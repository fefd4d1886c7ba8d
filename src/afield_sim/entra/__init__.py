"""An emulated Microsoft Entra ID: tokens for applications and managed identities."""
