#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# /etc/kernel/postrm.d/ct-sync-dkms VERSION: removes what DKMS needed to build ct_sync for a kernel that has gone.

version=${1:?usage: ct-sync-dkms VERSION}
[ "${DEB_MAINT_PARAMS-}" = "" ] || case $DEB_MAINT_PARAMS in *upgrade*) exit 0 ;; esac
rm -rf "/var/cache/ct_sync/kbuild-$version"-*
