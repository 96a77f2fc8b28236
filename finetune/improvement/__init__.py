"""The loop from feedback to a served adapter, stage by stage; `finetune.improve` puts them together.

options     what a run is asked to do
checks      what must hold before it begins, trains and serves
folder      what it has done so far, so that it goes on after an interruption; one run at a time
feedback    what people said, and how much of it is new
holdout     the part that is never trained on
rehearsal   what keeps the rest from being forgotten, and what shows whether it was
serving     the base model and the adapter that answer now
training    the recipe, in the time that is given
measuring   both adapters on the same items
promotion   what is served next
watching    what a person sees of it
"""
