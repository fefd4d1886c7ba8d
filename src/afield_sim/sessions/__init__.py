"""Session pools of Azure Container Apps: their control plane, their endpoints, and the containers behind them."""
