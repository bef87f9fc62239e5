"""A whole index at once: facts and scores as columns of Parquet files. Needs the extra ``index`` (Polars)."""
