print("xensock")
