"""What both drivers, in process and distributed, need to perform an activation.

move         one activation under way
performing   what comes of performing it
evaluation   its expressions and its errors
limits       deadlines, ids of children, context keys
"""
