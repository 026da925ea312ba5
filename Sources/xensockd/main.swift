print("xensockd")
