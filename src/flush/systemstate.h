/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does the system go down? 1, 0, negative errno: nobody says. SOCKET is the one on which systemd answers root
 * even without a bus; if nobody does there, the system bus is asked. */
int system_goes_down(const char *socket);
