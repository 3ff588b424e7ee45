"""The teacher's work, kept on disk: what it makes of an image is computed once.

- `settings` is the section `cache` of a search file; torch-free, as is `views`.
- `content.digest` names what the teacher will be shown; the data loader adds it to each sample.
- `entries.Entry` is the teacher's work on one image, `store.Store` the LMDB that holds them.
- `views` tells from a pipeline how many entries an image can have.
- `recall.TeacherCache` answers for a teacher: from the store, or by running it; `work` is what
  the two exchange.
"""
