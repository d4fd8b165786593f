from .charts import look_alikes as look_alikes
from .charts import plot_covered as plot_covered
from .charts import plot_shares as plot_shares
from .charts import plot_unrolled as plot_unrolled
from .exercises import EXERCISES as EXERCISES
from .exercises import columns_of as columns_of
from .exercises import count_frames as count_frames
