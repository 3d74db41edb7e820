#!/bin/sh
# Tell Prefect of each subject folder in which a marker file appears, once. For cron, every minute or so:
#
#   * * * * * /opt/cleanplate/infra/events/watch-markers.sh /data/capture UPLOADED /var/lib/cleanplate/told
#
# Whoever uploads writes the marker last: touch /data/capture/031/UPLOADED. Nothing is written into the capture; the
# subjects that were told of are listed in the third argument. Take a line out to have it told of again.
set -eu
capture=${1:?usage: watch-markers.sh CAPTURE MARKER TOLD}
marker=${2:?usage: watch-markers.sh CAPTURE MARKER TOLD}
told=${3:?usage: watch-markers.sh CAPTURE MARKER TOLD}
here=$(dirname "$0")
touch "$told"
for found in "$capture"/*/"$marker"; do
    [ -e "$found" ] || continue
    subject=$(basename "$(dirname "$found")")
    grep -Fqx -- "$subject" "$told" && continue
    sh "$here/subject-uploaded.sh" "$subject"
    printf '%s\n' "$subject" >> "$told"
done
