"""The bench: actorpar against its peers, in alternating repeats, as a table, a JSON file and a plot.

    measure     one sample: items, processor time, wall clock
    cases       a case is one contestant in one shape; a group is the cases that are compared with each other
    systems     the contestants behind one small interface: open a channel, run functions together
    streams, switching, choosing, crossing, io_under_load, actors, idle, savina, downloads, imports      the groups,
                one topic a file
    queue_actors, queue_savina, pykka_actors, xoscar_actors      what actors are compared with
    catalogue   all groups in the order they run
    worker      one group on one loop, in a process of its own; alternates its cases
    session     starts the workers and collects what they measured
    goals       the figures the project promises, judged from the results
    report, plot, record      what a person reads, and what a program reads

`actorpar bench` is the command; docs/benchmarks.md says what each case does and does not tell.
"""
