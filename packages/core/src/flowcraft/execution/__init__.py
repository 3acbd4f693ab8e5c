"""What both drivers, in process and distributed, need to perform an activation.

move         one activation under way
payload      what a run begins with
performing   what comes of performing it
attempt      one attempt of a node's code
built_in     loops, scatters, gathers, subflows
evaluation   its expressions and its errors
limits       deadlines, ids of children, context keys
adoption     what a retried run takes over
"""
