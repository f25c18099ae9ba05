"""Rebuild read models next to the served ones, then switch: readers notice nothing.

1.  `begin` names a new generation: from now on live projection writes it as well.
2.  Scan: workers read the log consistently in segments, each under a lease, and project every
    commit; what live projection wrote meanwhile is a duplicate. A checkpoint follows each page, so
    a process that continues after a crash repeats at most one page of each segment, harmlessly.
3.  Sweep: workers compare every stream's head with its projected version, repair what lags, and
    compare a sample of the streams completely with the log; repeated until a sweep repairs nothing.
4.  `switch` serves the new generation in one step. Its predecessor is kept up to date, so that a
    rollback is one step too; older generations are deleted.

Plan, checkpoints and leases are in the same Redis as the generation: if Redis loses its data, all
of it is lost together and the rebuild starts over. Any number of processes may share a rebuild.
`chassis.views.generations` states which generations live projection writes meanwhile.
"""
