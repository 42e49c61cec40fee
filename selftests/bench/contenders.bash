# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What is compared: `start_NAME` has it replicate from fw1 to fw2, `stop_NAME` leaves nothing of it. `THREADS` are the threads or
# processes whose time is told apart, each as NAME:PID.

THREADS=()

start_nothing() { :; }
stop_nothing() { :; }

# The module to measure lies beside this file; it need not be the one that modprobe finds.
load() {
	modinfo -F depends ./ct_sync.ko | tr ',' '\n' | xargs -r modprobe -a
	insmod ./ct_sync.ko
}

start_loaded() { load; }
stop_loaded() { rmmod ct_sync; }

# The threads of ct_sync that have started since `before`, under the names of the node $1 and what they do.
before=''
threads_of() { ps -e -o pid=,comm= | awk '$2 ~ /^ct_sync/ {print $1 ":" $2}'; }
note_threads() {
	local pair
	for pair in $(threads_of); do
		[[ " $before " = *" $pair "* ]] || THREADS+=("$1.${pair#*:}:${pair%%:*}")
	done
	before=$(threads_of | paste -sd ' ')
}

synced() { [ "$(value "$1" synced)" = 1 ]; }

start_alone() {
	load
	before=''
	knob fw1 syncdev sync
	knob fw1 state 1
	note_threads fw1
}
stop_alone() { rmmod ct_sync; }

start_both() {
	start_alone
	knob fw2 syncdev sync
	note_threads fw2
	await synced fw2
}
stop_both() { rmmod ct_sync; }

# conntrackd_conf MODE NUMBER: a configuration of conntrackd for the firewall with that number.
conntrackd_conf() {
	cat <<-END
		Sync {
			Mode $1 {
			}
			Multicast {
				IPv4_address 225.0.0.50
				Group 3780
				IPv4_interface $SYNC.$2
				Interface sync
				SndSocketBuffer 16777216
				RcvSocketBuffer 16777216
				Checksum on
			}
		}
		General {
			HashSize 32768
			HashLimit 1000000
			LockFile /run/conntrackd.$2.lock
			UNIX {
				Path /run/conntrackd.$2.ctl
			}
			NetlinkBufferSize 33554432
			NetlinkBufferSizeMaxGrowth 67108864
			Filter From Kernelspace {
				Protocol Accept {
					TCP
				}
			}
		}
	END
}

start_conntrackd() {
	local number
	modprobe nf_conntrack_netlink
	for number in 1 2; do
		conntrackd_conf "$1" "$number" >"/run/conntrackd.$number.conf"
		on "fw$number" conntrackd -d -C "/run/conntrackd.$number.conf" >&2
		THREADS+=("fw$number.conntrackd:$(pgrep -f "^[^ ]*conntrackd -d -C /run/conntrackd.$number.conf")")
	done
}
stop_conntrackd() {
	local number
	for number in 1 2; do
		on "fw$number" conntrackd -C "/run/conntrackd.$number.conf" -k >&2
	done
	await no_conntrackd
}
no_conntrackd() { ! pgrep -x conntrackd >/dev/null; }

start_ftfw() { start_conntrackd FTFW; }
stop_ftfw() { stop_conntrackd; }
start_notrack() { start_conntrackd NOTRACK; }
stop_notrack() { stop_conntrackd; }
